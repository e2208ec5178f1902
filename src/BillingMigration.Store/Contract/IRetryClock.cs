namespace BillingMigration.Store;

/// <summary>What a store waits by, for whoever makes calls again on it.</summary>
internal interface IRetryClock
{
    TimeProvider Time { get; }

    /// <returns>0 to 1.</returns>
    double NextRandom();

    static IRetryClock Of(IBillingStore store) => store as IRetryClock ?? (store is ComparingBillingStore both ? Of(both.First) : SystemClock.Instance);

    private sealed class SystemClock : IRetryClock
    {
        public static SystemClock Instance { get; } = new();

        public TimeProvider Time => TimeProvider.System;

        public double NextRandom() => Random.Shared.NextDouble();
    }
}
