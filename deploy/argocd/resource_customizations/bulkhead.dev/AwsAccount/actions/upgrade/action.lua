if obj.metadata.labels == nil then
  obj.metadata.labels = {}
end
obj.metadata.labels["bulkhead.dev/upgrade"] = "now"
return obj
