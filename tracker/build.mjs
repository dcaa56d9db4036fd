/* Builds the tracker: `node build.mjs [--out DIR] [COMBINATION …]`.
 *
 * A combination is names of features or sets of them (base, most, all) joined by "+": "hash", "outbound-links+revenue",
 * "all+plausible". Without one, those that are committed in dist/ are built. Beside them goes manifest.json, which
 * says what each file holds, and then variants.json.gz: every combination there is, for the server, which answers
 * /tracker.hash.revenue.js from it. The same source and the locked minifier give the same scripts on every machine.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCE = join(HERE, "src", "tracker.js");

/** Feature -> the flag in the source. The names are those of Plausible's script extensions where it has one. */
export const FEATURES = {
  404: "NOT_FOUND",
  engagement: "ENGAGEMENT",
  "file-downloads": "DOWNLOADS",
  "form-submissions": "FORMS",
  hash: "HASH",
  "outbound-links": "OUTBOUND",
  plausible: "PLAUSIBLE",
  revenue: "REVENUE",
  "tagged-events": "TAGGED",
};

/* "all" leaves out only what takes over another script's name. "most" also leaves out the routes in the fragment, which
 * a site that doesn't use them would see as a page for each of its anchors. */
const ALL = Object.keys(FEATURES).filter((name) => name != "plausible");
const SETS = { base: [], most: ALL.filter((name) => name != "hash"), all: ALL };
const COMMITTED = ["base", "most", "all"];

/** The features of "base", "all", "hash+revenue" …, sorted. Throws an Error that names an unknown feature. */
export function featuresOf(combination) {
  const names = combination.split("+").flatMap((name) => (Object.hasOwn(SETS, name) ? SETS[name] : [name]));
  for (const name of names) {
    if (!Object.hasOwn(FEATURES, name)) {
      const allowed = [...Object.keys(SETS), ...Object.keys(FEATURES)].join(", ");
      throw new Error(`unknown feature "${name}"; allowed: ${allowed}`);
    }
  }
  return [...new Set(names)].sort();
}

/** tracker.js for base, tracker.all.js, tracker.hash.revenue.js … */
export function fileNameOf(combination) {
  const names = combination.split("+").filter((name) => name != "base");
  return ["tracker", ...new Set(names.sort()), "js"].join(".");
}

/** The minified script with these features. */
export async function build(features) {
  const flags = Object.entries(FEATURES).map(([name, flag]) => [flag, features.includes(name)]);
  const { code } = await minify(readFileSync(SOURCE, "utf8"), {
    ecma: 2015, // what smart TVs and old phones understand: the script counts them, so it must run there
    toplevel: true,
    compress: {
      global_defs: Object.fromEntries(flags),
      keep_fargs: false,
      passes: 4,
      pure_getters: true,
      unsafe_arrows: true,
      unsafe_methods: true,
    },
    format: { ecma: 2015, comments: false },
  });
  return code;
}

/** The sets, and each combination's script under its features, sorted and joined by "." ("" = base). */
async function variants() {
  const names = Object.keys(FEATURES).sort();
  const scripts = {};
  for (let mask = 0; mask < 1 << names.length; mask++) {
    const features = names.filter((_, at) => (mask >> at) & 1);
    scripts[features.join(".")] = await build(features);
  }
  return { features: names, sets: SETS, scripts };
}

async function main(args) {
  const at = args.indexOf("--out");
  const out = at < 0 ? join(HERE, "dist") : args.splice(at, 2)[1];
  if (!out) throw new Error("--out needs a directory");
  const files = {};
  mkdirSync(out, { recursive: true });
  for (const combination of args.length ? args : COMMITTED) {
    const features = featuresOf(combination);
    const code = await build(features);
    const name = fileNameOf(combination);
    writeFileSync(join(out, name), code);
    files[name] = { features, bytes: code.length, sha256: createHash("sha256").update(code).digest("hex") };
  }
  writeFileSync(join(out, "manifest.json"), JSON.stringify({ features: Object.keys(FEATURES), files }, null, 2) + "\n");
  if (args.length) return;
  writeFileSync(join(out, "variants.json.gz"), gzipSync(JSON.stringify(await variants()), { level: 9 }));
}

if (process.argv[1] == fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
