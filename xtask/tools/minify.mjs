// Makes an ES module small: standard input to standard output. With the argument `names` local names become short, too.
import { text } from "node:stream/consumers";
import { transform } from "esbuild";

const { code } = await transform(await text(process.stdin), {
  format: "esm",
  legalComments: "none",
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: process.argv[2] === "names",
});
process.stdout.write(code);
