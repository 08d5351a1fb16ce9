// Shows what the reader may do here. This script comes only where that is anything.

if (mayDelete) startDeleting()
if (mayUpload || mayOverwrite) startUploading()
