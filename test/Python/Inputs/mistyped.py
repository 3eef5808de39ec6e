"""Three mistakes."""
import terse

terse.compile("model.onnx", "model.so", recipie="w4")
model = terse.load("model.so", threads="2")
text: str = next(model.generate("Once"))
