"""Names the files of models/classifier and says what makes them, for programs that do without torch as well."""

HEAD, ONNX = "classifier.safetensors", "classifier.onnx"
SKIPPED = "skipped.txt"  # in place of the others, where there was nothing to learn: the reason, in a line
IMAGES, PROBABILITIES = "images", "probabilities"  # input and output of the ONNX file
CLASSES = "classes"  # in its metadata
MADE = "`dvc repro classifier` writes it, if classifier.encoders in params.yaml names an encoder"
