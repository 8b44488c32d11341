return function(order)
  for i, item in ipairs(order.items) do
    tidemill.emit(tidemill.record{
      {"order", order.id},
      {"line", i},
      {"sku", item.sku},
      {"price", item.price},
    })
  end
  return nil -- the order itself is not written
end
