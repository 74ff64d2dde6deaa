//! Responds with an empty object.

fn main() -> std::io::Result<()> {
    floor::serve(|_| Ok(b"{}".to_vec()))
}
