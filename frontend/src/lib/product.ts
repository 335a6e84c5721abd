export const productName = "Dynamous Agent"
