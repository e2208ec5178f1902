namespace BillingMigration.Simulation;

/// <summary>
/// The clock of one machine: a wall clock that differs and jumps, a rate, and a monotonic clock that can stand still while the world
/// goes on. Its timers follow the monotonic clock. They are held while the process is frozen and never fire once it is killed.
/// </summary>
public sealed class ProcessClock(VirtualTime time, SimulatedProcess? process = null) : TimeProvider
{
    private long monotonicAnchor = time.Now;
    private long timeAnchor = time.Now;
    private long wallAnchor = time.Now;
    private long wallTimeAnchor = time.Now;
    private double rate = 1;

    /// <summary>What the wall clock shows more than its rate makes of the true time. Set it at any moment: the clock jumps.</summary>
    public TimeSpan WallOffset { get; set; }

    /// <summary>How fast both clocks run against the true time. A timer set before a change keeps its due time if that is later.</summary>
    public double Rate
    {
        get => rate;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            (monotonicAnchor, timeAnchor) = (Monotonic, Math.Max(time.Now, timeAnchor));
            (wallAnchor, wallTimeAnchor) = (Wall, time.Now);
            rate = value;
        }
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    private long Monotonic => monotonicAnchor + (long)(Math.Max(0, time.Now - timeAnchor) * rate);

    private long Wall => wallAnchor + (long)((time.Now - wallTimeAnchor) * rate);

    /// <summary>Holds the monotonic clock for a span of true time, as a suspended machine does; the wall clock goes on.</summary>
    public void StandStill(TimeSpan span) => (monotonicAnchor, timeAnchor) = (Monotonic, Math.Max(time.Now, timeAnchor) + span.Ticks);

    public override long GetTimestamp() => Monotonic;

    public override DateTimeOffset GetUtcNow() => new(Wall + WallOffset.Ticks, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return new ProcessTimer(this, callback, state, dueTime, period);
    }

    /// <summary>The true time until the monotonic clock has gone on by a span and the process runs.</summary>
    private TimeSpan TrueTimeUntil(long monotonicDue)
    {
        var wait = Math.Max(0, timeAnchor - time.Now) + (long)Math.Ceiling(Math.Max(0, monotonicDue - Monotonic) / rate);
        var held = process?.HeldFor ?? TimeSpan.Zero;
        return TimeSpan.FromTicks(Math.Max(monotonicDue > Monotonic ? wait : 0, held.Ticks));
    }

    private sealed class ProcessTimer : ITimer
    {
        private readonly ProcessClock clock;
        private readonly TimerCallback callback;
        private readonly object? state;
        private readonly ITimer inner;
        private long due;
        private TimeSpan period;

        public ProcessTimer(ProcessClock clock, TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (this.clock, this.callback, this.state) = (clock, callback, state);
            inner = clock.Inner(_ => Fire());
            Change(dueTime, period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            this.period = period;
            if (dueTime < TimeSpan.Zero)
            {
                return inner.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            due = clock.Monotonic + dueTime.Ticks;
            return inner.Change(clock.TrueTimeUntil(due), Timeout.InfiniteTimeSpan);
        }

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private void Fire()
        {
            if (clock.IsDead)
            {
                return;
            }

            // The clock may have stood still, or the process may have been frozen, since the timer was set.
            if (clock.TrueTimeUntil(due) is { Ticks: > 0 } wait)
            {
                inner.Change(wait, Timeout.InfiniteTimeSpan);
                return;
            }

            if (period > TimeSpan.Zero)
            {
                due = clock.Monotonic + period.Ticks;
                inner.Change(clock.TrueTimeUntil(due), Timeout.InfiniteTimeSpan);
            }

            callback(state);
        }
    }

    private bool IsDead => process is { IsDead: true };

    private ITimer Inner(TimerCallback callback) => time.CreateTimer(callback, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
}
