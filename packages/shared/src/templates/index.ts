/** The templates that every installation has, as files anyone can read. */

import type { Template } from '../domain/index.ts';
import cataloguePage from './catalogue-page.json' with { type: 'json' };
import characterSeries from './character-series.json' with { type: 'json' };
import infographic from './infographic.json' with { type: 'json' };
import localisationSet from './localisation-set.json' with { type: 'json' };
import productHero from './product-hero.json' with { type: 'json' };

const FILES: unknown[] = [productHero, cataloguePage, infographic, characterSeries, localisationSet];

// The files are part of this program, and a test holds each against the schema of a caller's own template.
export const BUILTIN_TEMPLATES: readonly Template[] = FILES.map((file) => ({ ...(file as Template), version: 1 }));
