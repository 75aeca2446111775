-- An annotation and not spec.suspend: a sync puts back what Git says of the spec, and leaves alone what Git does not mention.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["bulkhead.dev/hold"] = "held in Argo CD"
return obj
