return function(r, ctx)
  print("print", r.x, nil, true)
  io.write("write ", r.x, "\n")
  io.write("half a line ")
  io.stdout:write("of ", r.x, "\n")
  io.stderr:write("stderr ", r.x, "\n")
  tidemill.log("log", r.x)
  if r.x == 3 then print("no end of line") io.write("open") end
  if r.x == 4 then return nil end
  return r
end
