// Writes .gz and .br beside every text file of the build, so that the server only has to send them.

import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { builtFiles } from './built-files.mjs';

const TEXT = /\.(html|js|css|svg)$/;

for (const file of builtFiles().filter((name) => TEXT.test(name))) {
  const bytes = readFileSync(file);
  const brotli = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: brotli }));
}
