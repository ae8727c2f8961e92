/** What `npm start` tells a person. */

const COLUMN = 10;

/** One line a step, its name in a column of its own. */
export function createSay(write = (text) => process.stdout.write(text)) {
  const say = (name, line) => write(`  ${name.padEnd(COLUMN)}${line.replaceAll('\n', `\n  ${' '.repeat(COLUMN)}`)}\n`);
  return { say, introduce: (settings, started) => write(introduction(settings, started)) };
}

/** Address, key, and two commands that work when pasted. */
export function introduction({ dataDir, emulated, channelsFile }, { url, apiKey }) {
  const real = channelsFile ? `the channels of ${channelsFile}` : 'the Gemini API';
  const provider = emulated ? 'the emulator; set GEMINI_API_KEY for real images' : real;
  return `
Darkroom is ready: ${url}

  key       ${apiKey}
  docs      ${url}/docs
  data      ${dataDir}
  provider  ${provider}

Make an image:

curl -sS ${url}/v1/jobs \\
  -H 'Authorization: Bearer ${apiKey}' \\
  -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=30' \\
  -d '{"prompt":"a red mug on an oak table"}'

Fetch it, with the "id" of the answer in place of JOB_ID:

curl -sSL -o image.jpg ${url}/v1/jobs/JOB_ID/images/0 \\
  -H 'Authorization: Bearer ${apiKey}'

Ctrl-C stops everything; the next start finds all jobs and images again.
`;
}
