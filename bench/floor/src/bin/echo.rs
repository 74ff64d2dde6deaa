//! Does nothing.

fn main() -> std::io::Result<()> {
    floor::serve(|_| Ok(b"{}".to_vec()))
}
