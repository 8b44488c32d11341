local x = require "no.such.module"
return print
