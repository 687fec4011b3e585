using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>What every kind of storage promises, on a data directory.</summary>
public sealed class NodeStorageContractTests() : DeterministicStorageContract(new Machine());
