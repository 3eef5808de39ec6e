// A linear layer, an activation and a softmax: y = softmax(silu(x w^T)).
func.func @forward(%x: tensor<?x4xf32> {terse.name = "x", terse.dims = ["n", "4"]})
    -> (tensor<?x8xf32> {terse.name = "y", terse.dims = ["n", "8"]}) {
  %w = terse.weight "w" = dense<[[1.0, 2.0, -1.0, 0.5], [0.5, -2.0, 1.0, 0.0], [0.25, 0.5, 0.75, 1.0],
    [1.0, 1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 3.0, 0.0], [2.0, 0.0, 0.0, -2.0],
    [0.1, 0.2, 0.3, 0.4]]> : tensor<8x4xf32> -> tensor<8x4xf32>
  %h = terse.linear %x, %w {name = "layer"} : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %a = terse.activation silu %h : tensor<?x8xf32>
  %y = terse.softmax %a {axis = 1} : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
