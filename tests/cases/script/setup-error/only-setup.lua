return {setup = function() end}
