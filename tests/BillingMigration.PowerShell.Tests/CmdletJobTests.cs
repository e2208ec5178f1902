using System.Management.Automation;

namespace BillingMigration.PowerShell.Tests;

public sealed class CmdletJobTests
{
    [Fact]
    public void What_a_job_posts_runs_on_the_calling_thread_in_order()
    {
        using var job = new CmdletJob();
        var here = Environment.CurrentManagedThreadId;
        var seen = new List<(int Number, int Thread)>();
        var result = job.Run(async _ =>
        {
            for (var i = 0; i < 100; i++)
            {
                var number = i;
                job.Post(() => seen.Add((number, Environment.CurrentManagedThreadId)));
                await Task.Yield();
            }

            return 7;
        });
        Assert.Equal(7, result);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (i, here)), seen);
    }

    [Fact]
    public void A_stopped_job_is_cancelled_and_the_pipeline_stops()
    {
        using var job = new CmdletJob();
        var saved = false;
        Assert.Throws<PipelineStoppedException>(() => job.Run(async token =>
        {
            job.Stop();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Delay(Timeout.Infinite, token));
            saved = true;
            return true;
        }));
        Assert.True(saved);
    }

    [Fact]
    public void A_job_that_does_not_heed_the_stop_does_not_hold_up_the_pipeline()
    {
        using var job = new CmdletJob();
        var never = new TaskCompletionSource<bool>();
        Assert.Throws<PipelineStoppedException>(() => job.Run(_ =>
        {
            job.Stop();
            return never.Task;
        }));
    }

    [Fact]
    public void A_report_that_fails_stops_the_job_and_comes_out_as_it_is()
    {
        using var job = new CmdletJob();
        CancellationToken seen = default;
        Assert.Throws<ActionPreferenceStopException>(() => job.Run(async token =>
        {
            seen = token;
            job.Post(() => throw new ActionPreferenceStopException("-WarningAction Stop"));
            await Task.Delay(Timeout.Infinite, token);
            return true;
        }));
        Assert.True(seen.IsCancellationRequested);
    }

    [Fact]
    public void The_jobs_own_error_comes_out_as_it_is()
    {
        using var job = new CmdletJob();
        Assert.Throws<MigrationException>(() =>
            job.Run<bool>(_ => throw new MigrationException("LeaseHeld", MigrationErrorKind.Busy, "Held. Wait.")));
    }

    [Fact]
    public void Of_reports_that_wait_only_the_latest_is_shown()
    {
        using var job = new CmdletJob();
        var shown = new List<string>();
        job.Run(_ =>
        {
            var started = new TaskCompletionSource();
            job.Post(started.Task.Wait);
            var progress = new LatestProgress<string>(job, shown.Add);
            for (var i = 0; i <= 1000; i++)
            {
                progress.Report($"{i}");
            }

            started.SetResult();
            return Task.FromResult(true);
        });
        Assert.Equal(["1000"], shown);
    }
}
