global using static Orleans.Raft.Testing.StorageMachine;
global using Replica = Orleans.Raft.Testing.MachineReplica;
