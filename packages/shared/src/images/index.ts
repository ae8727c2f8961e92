export { drawPlaceholder } from './placeholder.ts';
export { assertWhole, type ImageFacts, type ProbeOptions, probeFile, probeImage } from './probe.ts';
export { configureSharp, makeThumbnail, type Thumbnail } from './thumbnail.ts';
