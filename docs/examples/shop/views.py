from django.contrib.auth.models import User
from django.http import HttpResponse

from .commands import send_welcome


def sign_up(request):
    user = User.objects.create_user(request.POST["name"], request.POST["email"])
    send_welcome(user.pk)  # returns at once; a consumer runs it
    return HttpResponse("Check your email.")
