function e(t){return new Date(t).toLocaleString(void 0,{dateStyle:"long",timeStyle:"short"})}export{e as a};
