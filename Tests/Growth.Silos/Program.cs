using Orleans.Raft.Growth;
using Orleans.Raft.Growth.Silos;

return await GrowthProgram.RunAsync(args, (directory, plan) =>
    new SilosGrowthHost(directory, GrowthRun.AllClients(plan), plan.Verbose));
