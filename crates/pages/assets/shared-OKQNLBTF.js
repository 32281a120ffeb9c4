import{c as m}from"./shared-V6YXAPSW.js";import{F as c,b as n,d as e,f as u,g as i,i as y}from"./shared-2LP4BR6T.js";function U(r){return n(e(`holdfast/ballot/v1
`),r.electionHash,s(r))}function s({voterKey:r,token:t,weight:o,ballots:a}){let A=a.map(f=>n(i(f.length),f));return n(r,t,i(o),u(a.length),...A)}function h(r){return c(n(e(`holdfast/tracker/v1
`),s(r)))}function d(r,t){return m.sign(r,t)}function g(r){return c(n(e(`holdfast/election/v1
`),e(r)))}function b(r,t){return n(e(`holdfast/ceremony/v1
`),y(r.replaceAll("-","")),u(t))}function v(r,t,o){return n(e(`holdfast/mix/v1
`),r,i(t),u(o))}function O(r){return n(e(`holdfast/generators/v1
`),r)}function S(r,t){return n(e(`holdfast/decryption/v1
`),r,i(t))}function C(r,t,o,a){return r.indexOf(t)*o+a}function H(r){return r.replace(/(.{4})(?=.)/g,"$1 ")}export{U as a,h as b,d as c,g as d,b as e,v as f,O as g,S as h,C as i,H as j};
