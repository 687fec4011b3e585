namespace Orleans.Raft.Bench;

/// <summary>A measurement could not be made; the message says why, for the user.</summary>
internal sealed class BenchException(string message) : Exception(message);
