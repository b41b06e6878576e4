//! The model of `--deep`: `Y = Relu(X · X + X)` over two rows of two numbers, written as ONNX's protobuf by hand.
//!
//! A field of protobuf is a tag (the field's number times eight, and 2 where a length and that many bytes follow, 0 where a
//! number follows) and its value; numbers are written seven bits a byte, the lowest first. The field numbers are those of
//! onnx.proto: `ModelProto`, `GraphProto`, `NodeProto`, `ValueInfoProto`, `TypeProto`, `TensorShapeProto`.

/// What goes in, row by row.
pub(super) const INPUT: [f32; 4] = [1.0, 2.0, -3.0, 4.0];
/// What must come out: X · X is -5, 10, -15, 10; with X added -4, 12, -18, 14; and Relu makes zeros of what is below zero.
/// All are small whole numbers, which every precision holds exactly.
pub(super) const OUTPUT: [f32; 4] = [0.0, 12.0, 0.0, 14.0];

/// Version 7 of the format and version 13 of the operators are read by ONNX Runtime from 1.6 on.
const FORMAT: u64 = 7;
const OPERATORS: u64 = 13;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// The bytes of the model, with the input `X` and the output `Y`.
pub(super) fn bytes() -> Vec<u8> {
    let nodes =
        [node(&["X", "X"], "product", "MatMul"), node(&["product", "X"], "sum", "Add"), node(&["sum"], "Y", "Relu")];
    let nodes = nodes.iter().flat_map(|node| text(1, node));
    let graph: Vec<u8> =
        nodes.chain(text(2, b"deep")).chain(text(11, &tensor("X"))).chain(text(12, &tensor("Y"))).collect();
    [number(1, FORMAT), text(7, &graph), text(8, &number(2, OPERATORS))].concat()
}

fn node(inputs: &[&str], output: &str, operator: &str) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|input| text(1, input.as_bytes()));
    inputs.chain(text(2, output.as_bytes())).chain(text(4, operator.as_bytes())).collect()
}

/// A tensor of two rows of two numbers.
fn tensor(name: &str) -> Vec<u8> {
    let dimension = text(1, &number(1, 2));
    let shape = [dimension.clone(), dimension].concat();
    let kind = [number(1, FLOAT), text(2, &shape)].concat();
    [text(1, name.as_bytes()), text(2, &text(1, &kind))].concat()
}

/// A field that holds a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that holds bytes: a text or a message.
fn text(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_seven_bits_a_byte() {
        assert_eq!((varint(1), varint(127), varint(300)), (vec![1], vec![0x7f], vec![0xac, 0x02]));
    }

    #[test]
    fn the_model_is_these_bytes() {
        let bytes = bytes();
        // Format 7, then a graph whose length takes one byte, and at the end version 13 of the operators.
        assert_eq!(bytes.get(..2), Some(&[0x08, 0x07][..]));
        assert_eq!(bytes.get(2), Some(&0x3a));
        assert_eq!(bytes.get(bytes.len() - 4..), Some(&[0x42, 0x02, 0x10, 0x0d][..]));
        let product = b"\x0a\x01X\x0a\x01X\x12\x07product\x22\x06MatMul";
        assert!(bytes.windows(product.len()).any(|window| window == product));
    }
}
