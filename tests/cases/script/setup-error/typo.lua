return {
  record = function(r) return r end,
  set_up = function() end,
}
