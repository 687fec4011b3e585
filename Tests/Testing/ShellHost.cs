using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <summary>A store for the shell to run on.</summary>
/// <param name="Faults">Null if the host cannot break its nodes.</param>
/// <param name="Nodes">Null if the host cannot start nodes.</param>
public sealed record ShellHost(
    IKeyValueStore Store, IClusterAdministration Administration, IFaultControl? Faults, INodeControl? Nodes);
