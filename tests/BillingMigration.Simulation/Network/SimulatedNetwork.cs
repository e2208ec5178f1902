using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace BillingMigration.Simulation;

/// <summary>Carries requests to the service and answers back, and loses, delays and repeats them.</summary>
internal sealed class SimulatedNetwork(Service service, Chance chance, SimulationOptions options, VirtualTime time)
{
    private static readonly MediaTypeHeaderValue Json = new("application/x-amz-json-1.0");
    private long sent;

    public Func<SimulatedRequest, Fault?>? Script { get; set; }

    /// <summary>Requests that may still arrive or are at work.</summary>
    public int InFlight { get; private set; }

    /// <summary>Sends a request from any thread; everything else about it happens on the simulation's thread.</summary>
    public void Send(SimulatedRequest request) => time.Schedule(TimeSpan.Zero, () => Depart(request));

    private void Depart(SimulatedRequest request)
    {
        (request.Number, request.SentAt) = (++sent, time.Now);
        var fault = Script?.Invoke(request) ?? Draw();
        var way = chance.Span(options.Arrival);
        switch (fault?.Kind)
        {
            case FaultKind.LoseRequest:
                After(way, () => Reset(request));
                break;
            case FaultKind.Hang:
                break;
            case FaultKind.HangAfterDone:
                Deliver(request, way, fault, _ => { });
                break;
            case FaultKind.LoseAnswer:
                Deliver(request, way, fault, _ => After(chance.Span(options.Answer), () => Reset(request)));
                break;
            case FaultKind.Late:
                After(way, () => Reset(request));
                Deliver(request, fault.Span, fault, _ => { });
                break;
            case FaultKind.LateInSilence:
                Deliver(request, fault.Span, fault, _ => { });
                break;
            case FaultKind.Repeat:
                Deliver(request, way, fault, answer => Return(request, answer));
                Deliver(request, way + fault.Span, fault, _ => { });
                break;
            default:
                Deliver(request, way, fault, answer => Return(request, answer));
                break;
        }
    }

    private Fault? Draw()
    {
        if (chance.Of(options.LoseRequest))
        {
            return Fault.LoseRequest;
        }

        if (chance.Of(options.LoseAnswer))
        {
            return Fault.LoseAnswer;
        }

        if (chance.Of(options.Repeat))
        {
            return Fault.Repeat(chance.Span(options.RepeatAfter));
        }

        if (chance.Of(options.Late))
        {
            var by = chance.Span(options.LateBy);
            return chance.Of(0.5) ? Fault.Late(by) : Fault.LateInSilence(by);
        }

        return !chance.Of(options.Hang) ? null : chance.Of(0.5) ? Fault.Hang : Fault.HangAfterDone;
    }

    private void Deliver(SimulatedRequest request, TimeSpan way, Fault? fault, Action<ServiceAnswer> answered)
    {
        InFlight++;
        After(way, () =>
        {
            if (request.Answer.Task.IsCanceled && chance.Of(options.DropCancelled))
            {
                InFlight--;
                return;
            }

            service.Arrive(request, fault?.Kind, answer =>
            {
                InFlight--;
                answered(answer);
            });
        });
    }

    private void Return(SimulatedRequest request, ServiceAnswer answer) => After(chance.Span(options.Answer), () => Reach(request, () =>
    {
        var response = new HttpResponseMessage((HttpStatusCode)answer.Status) { Content = new ReadOnlyMemoryContent(answer.Body) };
        response.Content.Headers.ContentType = Json;
        response.Headers.Date = time.GetUtcNow();
        request.Answer.TrySetResult(response);
    }));

    private void Reset(SimulatedRequest request) => Reach(request, () =>
    {
        var reset = new IOException("The simulated connection was reset by its peer.", new SocketException((int)SocketError.ConnectionReset));
        request.Answer.TrySetException(new HttpRequestException("The simulated connection broke.", reset));
    });

    /// <summary>Does something in the sender's process: not while it is frozen, and never after its death.</summary>
    private void Reach(SimulatedRequest request, Action act)
    {
        if (request.Process.IsDead)
        {
            return;
        }

        if (request.Process.HeldFor > TimeSpan.Zero)
        {
            time.Schedule(request.Process.HeldFor, () => Reach(request, act));
            return;
        }

        act();
    }

    private void After(TimeSpan span, Action action)
    {
        if (span <= TimeSpan.Zero)
        {
            action();
        }
        else
        {
            time.Schedule(span, action);
        }
    }
}
