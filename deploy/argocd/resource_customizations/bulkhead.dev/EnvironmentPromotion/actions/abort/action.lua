-- The id of the attempt: a late click cannot end the next one.
local attempt = obj.status ~= nil and obj.status.attempt or nil
if attempt == nil or attempt.outcome ~= nil then
  error("no attempt is under way", 0)
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["bulkhead.dev/abort"] = attempt.id
return obj
