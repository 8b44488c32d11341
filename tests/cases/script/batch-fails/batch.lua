return {
  batch = function(records)
    if records[1].x == 3 then error("three") end
    return records
  end,
}
