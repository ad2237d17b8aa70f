"""The same work in Erlang/OTP, for comparison on the same machine."""
