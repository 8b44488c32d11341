local json = require "tidemill.json"
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "" -- the folder of this script
local countries

return {
  setup = function(job)
    local file = assert(io.open(here .. job.params.countries))
    countries = json.decode(file:read("a"))
    file:close()
  end,

  record = function(r, ctx)
    if r.currency ~= ctx.params.currency then return nil end
    local country = countries[r.country]
    if not country then return nil, "unknown country '" .. tostring(r.country) .. "'" end
    r.country_name = country.name
    return r
  end,
}
