#!/usr/bin/env tidemill
return function(r) r.item = r.item:upper() return r end
