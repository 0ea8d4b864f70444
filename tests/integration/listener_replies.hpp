// One request to a listener, and what it answers.
#pragma once

#include "integration/listener_server.hpp"
#include "listener_server.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gateway::test {

inline delivery_handler always(result<receipt> r)
{
    return [r](delivery, const completion& done) { done(r); };
}

inline listener_server& shared_server()
{
    static listener_server server;
    return server;
}

inline reply ask(listener_server& server, const std::string& request)
{
    tls_client client = server.connect();
    client.send(request);
    return client.read_reply().value_or(reply{});
}

} // namespace gateway::test
