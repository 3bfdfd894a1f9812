export { lexiconModel } from './lexicon-model.ts'
