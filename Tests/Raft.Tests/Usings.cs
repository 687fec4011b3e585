global using static Orleans.Raft.Core.Tests.Make;
