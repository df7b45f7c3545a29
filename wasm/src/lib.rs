//! The package's one wasm module: what pages call, and what service workers call.
//!
//! Nearly all of either side is the same code. In one module a browser loads it once, and both sides are of one build.

// Nothing here names them; what they export to JavaScript is all there is to the module.
use longhaul_page as _;
use longhaul_sw as _;
