/** Where Vertex answers, and under which names. */

const GLOBAL_URL = 'https://aiplatform.googleapis.com';
/** Places that stand for several regions, and keep data within them. */
const MULTI_REGIONS: ReadonlySet<string> = new Set(['us', 'eu']);

/** The host of a location: `global`, `us`, `eu` or a region such as `us-central1`. No trailing slash. */
export function vertexBaseUrl(location: string): string {
  if (location === 'global') return GLOBAL_URL;
  if (MULTI_REGIONS.has(location)) return `https://aiplatform.${location}.rep.googleapis.com`;
  return `https://${location}-aiplatform.googleapis.com`;
}

/** The path of a model under the version. */
export function modelPath(place: { project: string; location: string }, providerModel: string): string {
  return `projects/${place.project}/locations/${place.location}/${publisherPath(providerModel)}`;
}

/** The path that describes a model, whoever asks. */
export function publisherPath(providerModel: string): string {
  return `publishers/google/models/${providerModel}`;
}
