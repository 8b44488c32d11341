return function(r)
  r.active = r.active == "yes"                  -- a boolean instead of a word
  if r.height == "" then r.height = tidemill.null end -- an empty cell is "", not null
  return r
end
