namespace BillingMigration.Simulation;

/// <summary>Takes the synchronization context off the thread for a run: with one, awaiting code would not continue inline.</summary>
internal sealed class ThreadOfSimulation : IDisposable
{
    private readonly SynchronizationContext? before = SynchronizationContext.Current;

    private ThreadOfSimulation() => SynchronizationContext.SetSynchronizationContext(null);

    public static ThreadOfSimulation Enter() => new();

    public void Dispose() => SynchronizationContext.SetSynchronizationContext(before);
}
