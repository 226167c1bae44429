// Reads an AsyncAPI document with AsyncAPI's own parser; exit code 1 and every fault, if it has any.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

const WARNING = 1; // 0 is an error; 2 and 3 are hints
const path = process.argv[2];

new Parser().parse(readFileSync(path, "utf8")).then(({ document, diagnostics }) => {
  const faults = diagnostics.filter(({ severity }) => severity <= WARNING);
  for (const { code, message, path: where } of faults) {
    console.error(`${path}: ${where.join(".")}: ${message} (${code})`);
  }
  if (!document || faults.length) process.exit(1);
  console.log(`${path}: OK, ${document.messages().all().length} messages`);
});
