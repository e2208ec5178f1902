using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace BillingMigration.Simulation;

/// <summary>
/// A simulated DynamoDB behind a port of this machine, whose clock is the real one: for code that is given an address, as DynamoDB Local
/// is. What it does wrong still follows from its seed, but no run is like another.
/// </summary>
public sealed class SimulatedServer : IAsyncDisposable
{
    private readonly VirtualTime time = new();
    private readonly SimulatedDynamoDb dynamoDb;
    private readonly SimulatedProcess process;
    private readonly HttpListener listener = new();
    private readonly CancellationTokenSource stop = new();
    private readonly Thread clock;
    private readonly Task accepting;

    private SimulatedServer(int port, int seed, SimulationOptions options)
    {
        Endpoint = new UriBuilder("http", "127.0.0.1", port).Uri;
        dynamoDb = new SimulatedDynamoDb(time, seed, options);
        process = new SimulatedProcess(time, "http");
        listener.Prefixes.Add(Endpoint.ToString());
        listener.Start();
        clock = new Thread(() => time.Follow(stop.Token)) { IsBackground = true, Name = "simulated DynamoDB" };
        clock.Start();
        accepting = AcceptAsync();
    }

    public Uri Endpoint { get; }

    public static SimulatedServer Start(int seed, SimulationOptions options)
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        return new SimulatedServer(port, seed, options);
    }

    /// <summary>All indexes show all that was written so far, as they do after a while.</summary>
    public Task CatchUpAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        time.Schedule(TimeSpan.Zero, () =>
        {
            dynamoDb.CatchUp();
            done.SetResult();
        });
        return done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        time.Schedule(TimeSpan.Zero, () => { });
        listener.Close();
        await accepting;
        clock.Join();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            _ = Task.Run(() => AnswerAsync(context));
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            var answer = new TaskCompletionSource<HttpResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
            dynamoDb.Network.Send(new SimulatedRequest(SimulatedHandler.OperationOf(context.Request.Headers["X-Amz-Target"]), body.ToArray(), null, process, answer));
            using var response = await answer.Task;
            var bytes = await response.Content.ReadAsByteArrayAsync();
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = "application/x-amz-json-1.0";
            context.Response.ContentLength64 = bytes.Length;
            context.Response.Headers["Date"] = DateTimeOffset.UtcNow.ToString("R", CultureInfo.InvariantCulture);
            await context.Response.OutputStream.WriteAsync(bytes);
            context.Response.Close();
        }
        catch (Exception e) when (e is HttpRequestException or HttpListenerException or IOException or ObjectDisposedException)
        {
            // A fault of the simulation, or a client that has gone.
            context.Response.Abort();
        }
    }
}
