return function(r)
  local user = r.user
  user.email = user.email:lower()
  user.address.zip = nil
  table.insert(user.tags, 1, "checked")
  for _, device in ipairs(user.devices) do
    device.seen = device.seen + 1
  end
  return r
end
