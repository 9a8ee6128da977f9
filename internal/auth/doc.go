// Package auth says who somebody is and whether a request may come in: tokens in and out, guests, origins, proxies that are believed,
// and limits per address. It knows HTTP requests and chat's users, nothing of Socket.IO.
package auth
