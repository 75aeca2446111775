if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["bulkhead.dev/hold"] = nil
  -- Argo CD takes an empty table for a list that was meant as the map it was before, and puts that back.
  if next(obj.metadata.annotations) == nil then
    obj.metadata.annotations = nil
  end
end
return obj
