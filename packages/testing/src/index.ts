export { checkGradients, type GradientCheckOptions } from './gradcheck';
