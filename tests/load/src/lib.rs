//! Load generator and benches of the whole product.
