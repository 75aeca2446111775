-- Any new words ask for a new attempt. Its author stays whom bulkhead.dev/requested-by names.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["bulkhead.dev/retry"] = os.date("!%Y-%m-%dT%XZ")
return obj
