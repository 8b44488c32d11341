local params
return {
  setup = function(job)
    params = job.params
    print("setup")
  end,
  record = function(r) return r end,
  teardown = function()
    print("teardown")
    if params.fail then error("cannot close") end
    if params.exit then os.exit(0) end
  end,
}
